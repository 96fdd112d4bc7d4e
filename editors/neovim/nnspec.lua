-- nnspec in neovim: put this file where your configuration can `require` it, and call
--   require("nnspec").setup()                                 -- nnspec is on the path
--   require("nnspec").setup({ cmd = { "env/bin/nnspec", "lsp" } })
-- From neovim 0.10 on shapes stand beside layers as inlay hints; before, this file draws them itself.
local M = {}

local space = vim.api.nvim_create_namespace("nnspec.shapes")

-- Inlay hints by hand, for neovim before 0.10.
function M.shapes(buffer, client)
  local last = vim.api.nvim_buf_line_count(buffer)
  local params = {
    textDocument = vim.lsp.util.make_text_document_params(buffer),
    range = { start = { line = 0, character = 0 }, ["end"] = { line = last, character = 0 } },
  }
  client.request("textDocument/inlayHint", params, function(error, hints)
    if error or not vim.api.nvim_buf_is_loaded(buffer) then
      return
    end
    vim.api.nvim_buf_clear_namespace(buffer, space, 0, -1)
    local lines = {}
    for _, hint in ipairs(hints or {}) do
      local line = hint.position.line
      lines[line] = (lines[line] and lines[line] .. "  " or "") .. hint.label
    end
    for line, text in pairs(lines) do
      if line < vim.api.nvim_buf_line_count(buffer) then
        vim.api.nvim_buf_set_extmark(buffer, space, line, 0, { virt_text = { { "  " .. text, "Comment" } } })
      end
    end
  end, buffer)
end

local function attached(client, buffer)
  if vim.lsp.inlay_hint then
    vim.lsp.inlay_hint.enable(true, { bufnr = buffer })
    return
  end
  M.shapes(buffer, client)
  vim.api.nvim_create_autocmd({ "InsertLeave", "TextChanged" }, {
    buffer = buffer,
    callback = function()
      M.shapes(buffer, client)
    end,
  })
end

local clients = {}

-- vim.lsp.start is there from neovim 0.8 on.
local function start(buffer, configuration)
  if vim.lsp.start then
    return vim.lsp.start(configuration)
  end
  local root = configuration.root_dir
  clients[root] = clients[root] or vim.lsp.start_client(configuration)
  vim.lsp.buf_attach_client(buffer, clients[root])
end

function M.setup(options)
  options = options or {}
  vim.api.nvim_create_autocmd({ "BufRead", "BufNewFile" }, {
    pattern = "*.nn",
    callback = function()
      vim.bo.filetype = "nn"
    end,
  })
  vim.api.nvim_create_autocmd("FileType", {
    pattern = "nn",
    callback = function(event)
      local buffer = (event and event.buf) or vim.api.nvim_get_current_buf()
      vim.bo[buffer].commentstring = "# %s"
      start(buffer, {
        name = "nnspec",
        cmd = options.cmd or { "nnspec", "lsp" },
        root_dir = vim.fn.fnamemodify(vim.api.nvim_buf_get_name(buffer), ":p:h"),
        on_attach = attached,
      })
    end,
  })
end

return M
