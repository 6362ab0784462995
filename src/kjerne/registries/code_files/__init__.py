"""Files in which publishers hand out code systems and value sets, read as streams: what each is, and the parts that it has."""
