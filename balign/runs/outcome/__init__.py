"""Made from a finished run: report, model card, bundle, reproduction, comparison."""
