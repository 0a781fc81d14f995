"""TFLite files: their schema, the graphs in them, and graphs as files."""
