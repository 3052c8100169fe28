#!/usr/bin/env node
import { programFor } from './program.ts'

const program = await programFor(process.argv)
await program.parseAsync(process.argv)
