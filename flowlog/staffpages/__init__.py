"""What the admin pages of all apps share: the site with its sidebar, the base classes, forms carried out once."""
