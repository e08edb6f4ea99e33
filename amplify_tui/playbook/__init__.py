"""The document: strict YAML, its types, `${{ }}` expressions, version ranges, every problem with its place. Pure."""
