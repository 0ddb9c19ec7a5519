"""WFDB records, the Challenge's among them; nothing here plans or converts."""
