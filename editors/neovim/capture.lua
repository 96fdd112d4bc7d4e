-- Writes what a reader sees of a spec as JSON: each line, the shape behind it, the diagnostics. For headless runs:
--   NNSPEC_CAPTURE=out.json nvim --headless -u init.lua net.nn -c "luafile capture.lua" -c "qa!"
-- With NNSPEC_LINE and NNSPEC_TEXT, that line is first changed as if it had been typed.
local function clients()
  return (vim.lsp.get_clients or vim.lsp.get_active_clients)()
end

local function shapes()
  local space = vim.api.nvim_get_namespaces()["nnspec.shapes"]
  local found = {}
  if vim.lsp.inlay_hint then
    for _, hint in ipairs(vim.lsp.inlay_hint.get({ bufnr = 0 })) do
      local line = hint.inlay_hint.position.line
      found[line + 1] = (found[line + 1] and found[line + 1] .. "  " or "") .. hint.inlay_hint.label
    end
  elseif space then
    for _, mark in ipairs(vim.api.nvim_buf_get_extmarks(0, space, 0, -1, { details = true })) do
      found[mark[2] + 1] = vim.trim(mark[4].virt_text[1][1])
    end
  end
  return found
end

vim.wait(20000, function()
  return #clients() > 0 and next(shapes()) ~= nil
end, 50)

if vim.env.NNSPEC_LINE then
  local line = tonumber(vim.env.NNSPEC_LINE)
  vim.api.nvim_buf_set_lines(0, line - 1, line, false, { vim.env.NNSPEC_TEXT })
  vim.wait(20000, function()
    return #vim.diagnostic.get(0) > 0
  end, 50)
end

local found, rows = shapes(), {}
for number, text in ipairs(vim.api.nvim_buf_get_lines(0, 0, -1, false)) do
  table.insert(rows, { text = text, shape = found[number] or "" })
end
local problems = {}
for _, d in ipairs(vim.diagnostic.get(0)) do
  table.insert(problems, { line = d.lnum + 1, message = d.message })
end
local encode = vim.json and vim.json.encode or vim.fn.json_encode
vim.fn.writefile({ encode({ rows = rows, problems = problems }) }, vim.env.NNSPEC_CAPTURE)
