"""Pages of the datasets room, by what a person does there."""
