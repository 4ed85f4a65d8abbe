// Whoever started this holds the other end of the standard input: it ends when that process does, however it ends.
process.stdin.on("end", () => process.exit(0)).on("error", () => process.exit(0)).resume();
