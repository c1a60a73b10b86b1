"""Who may run what on this machine, and when: what a server knows and does, without gradio and html."""
