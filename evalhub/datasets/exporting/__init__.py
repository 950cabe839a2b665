"""Examples out again: what (extracts), in which format (formats), as lines, workbook, Parquet or a folder for a hub.

What is exported imports again to the same content; memory stays flat whatever the number of rows.
"""
