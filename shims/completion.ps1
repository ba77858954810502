# mtls-run: completion of its own words.
Register-ArgumentCompleter -Native -CommandName 'mtls-run', 'mtls-run.exe' -ScriptBlock {
    param($word, $line, $cursor)
    $given = @($line.CommandElements | Select-Object -Skip 1 | ForEach-Object { "$_" })
    if ($word -ne '' -and $given.Count -gt 0) { $given = @($given | Select-Object -SkipLast 1) }
    $path = ($given | Where-Object { $_ -notlike '-*' } | Select-Object -First 2) -join ' '
    while ($path -ne '' -and -not $__mtls_run_table.ContainsKey($path)) {
        $path = if ($path.Contains(' ')) { $path.Substring(0, $path.LastIndexOf(' ')) } else { '' }
    }
    $__mtls_run_table[$path].Split(' ') | Where-Object { $_ -like "$word*" } | ForEach-Object {
        [System.Management.Automation.CompletionResult]::new($_, $_, 'ParameterValue', $_)
    }
}.GetNewClosure()
