import { render } from 'preact'
import { App } from './app.js'
import './styles/base.css'
import './styles/explore.css'
import './styles/compare.css'
import './styles/cut.css'
import './styles/learn.css'
import './styles/studies.css'

render(<App />, document.getElementById('app')!)
