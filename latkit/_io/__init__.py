"""Input and output of files and text: written atomically, read within bounds, shown without control characters."""

from latkit._io.atomic import (
    atomic_move,
    atomic_write,
    check_writable,
    make_folder,
    remove_temporary,
    write_bytes,
    write_text,
)
from latkit._io.display import html_card, one_line_repr, to_polars
from latkit._io.extras import missing_extra, naming_extras
from latkit._io.formats import other_format
from latkit._io.host_errors import host_error
from latkit._io.parsing.json_text import parse_json
from latkit._io.parsing.toml import parse_toml
from latkit._io.reading import MAX_FILE_BYTES, MAX_SEED, checking, describe_error, read_bytes, read_text, reading
from latkit._io.records import load_json, load_record, reading_json, take_release, with_release, write_record
from latkit._io.text import check_label, did_you_mean, one_line, printable

__all__ = [
    "MAX_FILE_BYTES",
    "MAX_SEED",
    "atomic_move",
    "atomic_write",
    "check_label",
    "check_writable",
    "checking",
    "describe_error",
    "did_you_mean",
    "host_error",
    "html_card",
    "load_json",
    "load_record",
    "make_folder",
    "missing_extra",
    "naming_extras",
    "one_line",
    "one_line_repr",
    "other_format",
    "parse_json",
    "parse_toml",
    "printable",
    "read_bytes",
    "read_text",
    "reading",
    "reading_json",
    "remove_temporary",
    "take_release",
    "to_polars",
    "with_release",
    "write_bytes",
    "write_record",
    "write_text",
]
