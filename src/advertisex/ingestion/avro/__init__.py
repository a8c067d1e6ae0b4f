"""Avro container files: the reader, and the blocks of the format."""
