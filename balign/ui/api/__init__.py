"""The named endpoints, which are MCP tools too."""
