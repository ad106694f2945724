"""Which pixels and which features the outputs of an image network rest on."""
