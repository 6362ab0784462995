"""`/sandbox`: the integrator's front page. What the platform is, whom one can be and ask about, and first calls."""
