"""The initiating gateway: asks sources of documents by XCA (ITI-38 and ITI-39), many at once, and takes nothing on trust."""
