"""Tables as other programs and spreadsheets have them -> the tidy table of measurements."""

from .answers import ConvertOptions
from .reading import Converted, convert_table

__all__ = ["ConvertOptions", "Converted", "convert_table"]
