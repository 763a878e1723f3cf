import { render } from 'preact';
import './style/index.css';
import { App } from './app';
import { watch } from './activity';
import { begin } from './portal';
import { follow } from './place';

const root = document.getElementById('app');
if (root !== null) {
  addEventListener('click', follow);
  watch();
  render(<App />, root);
  void begin();
}
