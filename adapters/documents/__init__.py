"""Statements and revenue reports as files: PDF, XLSX and Parquet, in Chinese and English."""
