"""Who may run what on this machine, and when. It knows no gradio and no html."""
