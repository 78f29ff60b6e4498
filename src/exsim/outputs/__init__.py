"""Values to files: run folders, tables, figures, the record of a run."""
