#!/bin/sh
# Fetches Apache Kafka's jars from Maven Central into a cache folder and prints
# the folder that holds them. A second call finds them there and needs no
# network. Two calls at once do not harm each other: each fetches into a folder
# of its own and the first to finish puts it in place.
set -eu

version=${KAFKA_VERSION:-4.1.0}
cache=${WEFT_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/weft}
home=$cache/kafka-$version

# The list of what belongs there is written last, with the size of each file, so
# a folder that was cut short or has lost a file is fetched again.
complete() {
	[ -s "$1/MANIFEST" ] || return 1
	(cd "$1/lib" && wc -c ./*.jar) | cmp -s - "$1/MANIFEST"
}

if complete "$home"; then
	echo "$home/lib"
	exit 0
fi

mkdir -p "$cache"
work=$(mktemp -d "$cache/kafka-$version.XXXXXX")
trap 'rm -rf "$work"' EXIT
cat >"$work/pom.xml" <<POM
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>weft</groupId>
  <artifactId>kafka-broker</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId>
      <artifactId>kafka_2.13</artifactId>
      <version>$version</version>
    </dependency>
  </dependencies>
</project>
POM

echo "kafka: fetching Apache Kafka $version into $home" >&2
if ! "$(dirname "$0")/again.sh" mvn -q -B -f "$work/pom.xml" dependency:copy-dependencies \
	-DincludeScope=runtime -DoutputDirectory="$work/home/lib" >"$work/log" 2>&1; then
	cat "$work/log" >&2
	echo "kafka: error: could not fetch Apache Kafka $version from Maven Central" >&2
	exit 1
fi
for jar in kafka_2.13 kafka-clients kafka-server kafka-raft; do
	if ! [ -s "$work/home/lib/$jar-$version.jar" ]; then
		echo "kafka: error: $jar-$version.jar is not among what was fetched" >&2
		exit 1
	fi
done
(cd "$work/home/lib" && wc -c ./*.jar) >"$work/home/MANIFEST"

# rename(2) does not replace a folder that has something in it: what is there
# and incomplete goes first, and when another call was quicker its folder stays.
if ! complete "$home"; then
	rm -rf "$home"
	mv -T "$work/home" "$home" 2>/dev/null || complete "$home"
fi
echo "$home/lib"
