#!/usr/bin/env node
import { enableCompileCache } from 'node:module'

// Each command is a process of its own: what was compiled once need not be compiled again.
enableCompileCache()
const { programFor } = await import('./program.ts')
const program = await programFor(process.argv)
await program.parseAsync(process.argv)
