// Loaded before Etherpad: it ends with whoever started it, whose end of this pipe is then closed.
'use strict';
if (require('worker_threads').isMainThread) { // the workers load this too
  process.stdin.on('close', () => process.kill(process.pid, 'SIGKILL'));
  process.stdin.resume();
}
