import { defineConfig } from 'asof'
import project from './definitions.ts'

export default defineConfig({ project })
