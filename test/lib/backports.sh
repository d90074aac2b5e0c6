# Packages of bookworm-backports through a private apt state: the system's own is not
# touched. To be sourced.

# backports_apt STATE: makes the state in that (absolute) folder, and leaves apt's options in
# the array `apt_private`.
backports_apt() {
  local state=$1 site key=/usr/share/keyrings/debian-archive-keyring.gpg
  # The mirror is the system's.
  mirror() { apt-get indextargets --format '$(SITE)' Release=bookworm Created-By=Packages |
    grep -m 1 . || apt-get indextargets --format '$(RELEASE) $(SITE)' | awk '$1 == "bookworm" {print $2; exit}'; }
  site=$(mirror) || true
  [ -n "$site" ] || { apt-get update; site=$(mirror); }
  mkdir -p "$state/lists/partial" "$state/cache/archives/partial"
  echo "deb [signed-by=$key] $site bookworm-backports main" >"$state/sources.list"
  apt_private=(-o "Dir::Etc::sourcelist=$state/sources.list" -o Dir::Etc::sourceparts=/dev/null
    -o "Dir::State::lists=$state/lists" -o "Dir::Cache=$state/cache" -o APT::Get::List-Cleanup=0)
  apt-get "${apt_private[@]}" update >/dev/null
}
