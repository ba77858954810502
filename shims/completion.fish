# mtls-run: completion of its own words; after TOOL, what completes that tool.

# Prints what stands at the cursor (`start`, `command`, `tool`, `any`), then the words of it so far.
function __mtls_run_at
    set -l words (commandline -opc)
    set -e words[1]
    set -l at start
    while set -q words[1]
        switch $words[1]
            case --
                set at any
                set -e words[1]
                break
            case '-*'
                contains -- $words[1] $__mtls_run_valued; and set -q words[2]; and set -e words[1]
                set -e words[1]
            case '*'
                break
        end
    end
    if set -q words[1]
        if test $at = start; and contains -- $words[1] $__mtls_run_commands
            set at command
        else
            set at tool
        end
    end
    printf '%s\n' $at $words
end

function __mtls_run_is
    set -l found (__mtls_run_at)
    switch $argv[1]
        case command
            set -l given $argv[2..-1]
            test $found[1] = command; and test "$found[2..$(math 1 + (count $given))]" = "$given"
        case group
            test $found[1] = command; and test "$found[2]" = $argv[2]; and test (count $found) -eq 2
        case '*'
            test $found[1] = $argv[1]
    end
end

function __mtls_run_profiles
    __mtls_run profile list --names 2>/dev/null
end

function __mtls_run_tool
    set -l found (__mtls_run_at)
    complete -C (string join -- ' ' (string escape -- $found[2..-1]) (commandline -ct))
end

complete -c mtls-run -f
complete -c mtls-run -n '__mtls_run_is start' -a "$__mtls_run_tools" -d tool
complete -c mtls-run -n '__mtls_run_is start; and string match -q "*/*" -- (commandline -ct)' -F
complete -c mtls-run -n '__mtls_run_is any' -a '(__fish_complete_command)'
complete -c mtls-run -n '__mtls_run_is tool' -a '(__mtls_run_tool)'
