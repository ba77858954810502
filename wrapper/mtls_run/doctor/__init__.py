"""`mtls-run doctor`: what is wrong between this machine and the index, and what mends it.

```
machine ──┐ (profile, files, identity, roots, variables, tools: the run road's own functions)
indexes ──┤
          ├─ probe (network steps of each URL → observations) ─ verdict (pure: → findings) ─ report
```

The rules that need no network are those of the run road: whatever stops a run raises an error that
carries its finding's code, and the same functions are called here. To add a finding: its line in
`findings.CATALOGUE`, its entry in docs/findings.md, and what raises or concludes it.
"""
