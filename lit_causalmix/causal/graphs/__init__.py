"""Edge probabilities, what is known of them, and the DAGs drawn from them."""
