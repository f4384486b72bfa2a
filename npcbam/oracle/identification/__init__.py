"""Which rule does each stage follow?"""
