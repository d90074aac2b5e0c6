# Attaches a disk to a running guest and detaches it, many times through one connection:
#   control_client.pl CONTROL-SOCKET DISK TIMES
# Each time another of 16 names: Linux takes a device that comes back at once for the one
# that it has not quite forgotten.
use strict;
use warnings;
use JSON::PP;
use Socket;

my ($path, $disk, $times) = @ARGV;
socket(my $s, PF_UNIX, SOCK_STREAM, 0) or die "socket: $!\n";
connect($s, sockaddr_un($path)) or die "$path: $!\n";
$s->autoflush(1);

sub ask {
  my ($request, $args) = @_;
  local $SIG{ALRM} = sub { die "$request: no answer in a minute\n" };
  alarm 60;
  print $s encode_json({version => 1, request => $request, args => $args}), "\n";
  my $line = <$s>;
  alarm 0;
  defined $line or die "$request: the domain has ended\n";
  my $answer = decode_json($line);
  die "$request: $answer->{text}\n" if $answer->{error};
  return $answer->{ok};
}

my $last = time;
for my $i (1 .. $times) {
  my $name = "xvd" . chr(ord("b") + $i % 16);
  ask("device-attach", {kind => "vbd", spec => "$disk,raw,$name,w", wait => JSON::PP::true});
  ask("device-detach", {kind => "vbd", device => $name});
  if (time - $last >= 10) {
    $last = time;
    print STDERR "# $i of $times\n";
  }
}
