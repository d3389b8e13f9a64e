"""What implements the ports. Adapters never import each other, and nothing here holds a rule."""
