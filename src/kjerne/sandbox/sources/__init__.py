"""Document sources that `kjerne up` starts beside the platform: real processes, with documents of the synthetic people."""
