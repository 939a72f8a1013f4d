import { createProgram } from '../../packages/cli/src/program.ts'
import { referencePage } from '../../packages/cli/src/reference-page.ts'
import { httpReference } from '../../packages/server/src/openapi/markdown.ts'
import { configurationPage } from './configuration-page.ts'
import { errorCatalogue } from './error-catalogue.ts'
import { errorsPage } from './errors-page.ts'
import { exitCodesPage } from './exit-codes-page.ts'
import { httpDocument } from './http-document.ts'

/** A page of the reference that is made from code. */
export interface ReferencePage {
  /** In the repository. */
  readonly path: string
  readonly text: string
}

/** Every page of the reference that is made from code, as the code is now. */
export async function referencePages(): Promise<ReferencePage[]> {
  const errors = errorCatalogue()
  return [
    { path: 'docs/reference/cli.md', text: referencePage(createProgram(async () => undefined, '0.0.0')) },
    { path: 'docs/reference/configuration.md', text: configurationPage() },
    { path: 'docs/reference/errors.md', text: errorsPage(errors) },
    { path: 'docs/reference/exit-codes.md', text: exitCodesPage(errors) },
    { path: 'docs/reference/http.md', text: httpReference(await httpDocument()) },
  ]
}
