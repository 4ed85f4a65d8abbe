#!/usr/bin/env node
// What Etherpad asks of npm when it starts: its version, and which plugins there are.
'use strict';
const path = require('path');
const name = 'ep_etherpad-lite';
const list = {dependencies: {[name]: {name, version: '1.8.14', path: path.join(process.cwd(), 'node_modules', name)}}};
console.log(process.argv[2] === 'ls' ? JSON.stringify(list) : '6.14.13');
