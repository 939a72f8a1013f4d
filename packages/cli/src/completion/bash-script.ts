/**
 * Completion for bash, 3.2 and later, without the package bash-completion. Bash cuts words at `:` and `=`, which are parts of
 * our names: the words are taken from the line as it was typed, and what bash takes for finished is left off the answers.
 */
export const BASH_SCRIPT = `# bash completion for asof
_asof() {
  local line=\${COMP_LINE:0:COMP_POINT} out value directive current done
  local -a words
  read -ra words <<< "$line"
  case $line in *[[:space:]]) words+=('') ;; esac
  current=\${words[\${#words[@]}-1]}
  done=
  case $COMP_WORDBREAKS in *:*) case $current in *:*) done=\${current%"\${current##*:}"} ;; esac ;; esac
  case $COMP_WORDBREAKS in *=*) case $current in *=*) done=\${current%"\${current##*=}"} ;; esac ;; esac
  out=$("\${words[0]}" complete -- "\${words[@]:1}" 2>/dev/null)
  directive=\${out##*:}
  COMPREPLY=()
  while IFS=$'\\t' read -r value _; do
    case $value in :*|'') continue ;; esac
    COMPREPLY+=("\${value#"$done"}")
  done <<< "$out"
  if (( directive & 2 )); then compopt -o nospace 2>/dev/null; fi
  if (( \${#COMPREPLY[@]} == 0 && !(directive & 4) )); then compopt -o default 2>/dev/null; fi
}
complete -F _asof asof
`
