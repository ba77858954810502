"""What somebody else brings, on the machine or in a repository: nobody gets in."""
