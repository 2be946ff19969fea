using System.Text;

namespace Kotonoha.Agents.Prompts;

/// <summary>Reads Semantic Kernel's template language.</summary>
/// <remarks>
/// Language after Semantic Kernel's TemplateTokenizer and CodeTokenizer (1.80): a block opens at the last <c>{{</c> before its <c>}}</c>, quotes hide
/// both, <c>{{ }}</c> is text, and so is a <c>{{</c> that is never closed. One case is stricter here: an unclosed <c>{{$name</c> is an error, for it is never meant.
/// </remarks>
internal sealed class PromptTemplateParser
{
    private readonly string _text;
    private readonly string _name;
    private readonly PromptFunctions? _functions;
    private readonly List<PromptBlock> _blocks = [];

    private PromptTemplateParser(string text, string name, PromptFunctions? functions)
    {
        _text = text;
        _name = name;
        _functions = functions;
    }

    internal static List<PromptBlock> Parse(string text, string name, PromptFunctions? functions)
    {
        var parser = new PromptTemplateParser(text, name, functions);
        parser.ReadBlocks();
        return parser._blocks;
    }

    internal static bool IsName(string name) => name.Length > 0 && name.All(IsNameCharacter);

    internal static PromptTemplateException Error(string templateName, string text, int offset, string problem, Exception? cause = null)
    {
        int line = 1, lineStart = 0;
        for (int i = 0; i < offset && i < text.Length; i++)
            if (text[i] == '\n')
                (line, lineStart) = (line + 1, i + 1);
        return new PromptTemplateException(templateName, line, offset - lineStart + 1, problem, cause);
    }

    private static bool IsNameCharacter(char c) => char.IsAsciiLetterOrDigit(c) || c == '_';

    private static bool IsQuote(char c) => c is '\'' or '"';

    private static bool IsEscapable(char c) => c is '\'' or '"' or '\\';

    private static bool IsBlank(char c) => c is ' ' or '\t' or '\r' or '\n';

    private PromptTemplateException Error(int offset, string problem) => Error(_name, _text, offset, problem);

    private void ReadBlocks()
    {
        int done = 0, open = -1;
        char quote = '\0';
        for (int i = 0; i + 1 < _text.Length; i++)
        {
            char current = _text[i], next = _text[i + 1];
            if (quote != '\0')
            {
                if (current == '\\' && IsEscapable(next))
                    i++;
                else if (current == quote)
                    quote = '\0';
            }
            else if (current == '{' && next == '{')
            {
                open = i;
            }
            else if (open >= 0 && IsQuote(current))
            {
                quote = current;
            }
            else if (open >= 0 && current == '}' && next == '}')
            {
                int end = i + 2;
                if (_text.AsSpan(open + 2, i - open - 2).Trim().IsEmpty)
                {
                    AddText(done, end);
                }
                else
                {
                    AddText(done, open);
                    _blocks.Add(ReadCode(open + 2, i));
                }

                done = end;
                open = -1;
                i++;
            }
        }

        if (open >= 0 && _text.AsSpan(open + 2).TrimStart() is ['$', var first, ..] && IsNameCharacter(first))
            throw Error(open, "the block that opens here is never closed; write '}}' after the variable, or {{'{{'}} for the two braces as text.");
        AddText(done, _text.Length);
    }

    private void AddText(int start, int end)
    {
        if (end <= start)
            return;
        if (_blocks.Count > 0 && _blocks[^1] is PromptBlock.Text before)
            _blocks[^1] = before with { Value = before.Value + _text[start..end] };
        else
            _blocks.Add(new PromptBlock.Text(start, _text[start..end]));
    }

    /// <summary>Reads what stands between <c>{{</c> and <c>}}</c>.</summary>
    private PromptBlock ReadCode(int start, int end)
    {
        int at = SkipBlanks(start, end);
        if (_text[at] == '$' || IsQuote(_text[at]))
        {
            var value = ReadValue(ref at, end);
            at = SkipBlanks(at, end);
            if (at < end)
                throw Error(at, $"'{_text[at..end].TrimEnd()}' after the {(value is PromptBlock.Variable ? "variable" : "literal")} is not understood; a block holds one variable, one literal or one function call.");
            return value;
        }

        return ReadCall(at, end);
    }

    private PromptBlock ReadCall(int start, int end)
    {
        int at = start;
        while (at < end && !IsBlank(_text[at]))
            at++;
        var name = _text[start..at];
        var parts = name.Split('.');
        if (parts.Length > 2 || !parts.All(IsName))
            throw Error(start, name.Contains('=')
                ? $"'{name}' is a named argument without a function before it."
                : $"'{name}' is not a function name; write function or plugin.function with Latin letters, digits and underscores (a variable starts with '$', a literal stands in quotes).");
        var function = _functions?.Find(name)
            ?? throw Error(start, _functions is null || !_functions.Names.Any()
                ? $"function '{name}' is not registered; add it to PromptTemplateOptions.Functions."
                : $"function '{name}' is not registered; registered are: {string.Join(", ", _functions.Names)}.");

        var arguments = new List<PromptCallArgument>();
        for (int next = SkipBlanks(at, end); next < end; next = SkipBlanks(at, end))
        {
            if (next == at)
                throw Error(at, "a blank must stand between arguments.");
            at = next;
            if (function.Parameters.Count == 0)
                throw Error(at, $"function '{name}' takes no arguments.");
            string parameter;
            if (_text[at] == '$' || IsQuote(_text[at]))
            {
                if (arguments.Count > 0)
                    throw Error(at, "only the first argument may stand without a name; write name=value.");
                parameter = function.Parameters[0];
            }
            else
            {
                parameter = ReadArgumentName(ref at, end, function);
            }

            if (arguments.Any(argument => argument.Parameter == parameter))
                throw Error(next, $"argument '{parameter}' of function '{name}' is given twice.");
            arguments.Add(new PromptCallArgument(parameter, ReadValue(ref at, end)));
        }

        return new PromptBlock.Call(start, function, arguments);
    }

    private string ReadArgumentName(ref int at, int end, PromptFunction function)
    {
        int start = at;
        while (at < end && IsNameCharacter(_text[at]))
            at++;
        var written = _text[start..at];
        at = SkipBlanks(at, end);
        if (written.Length == 0 || at >= end || _text[at] != '=')
            throw Error(start, "an argument is $variable, 'text', or name=value with one of these as the value.");
        at = SkipBlanks(at + 1, end);
        if (at >= end || !(_text[at] == '$' || IsQuote(_text[at])))
            throw Error(Math.Min(at, end), $"the value of argument '{written}' must be $variable or stand in quotes.");
        return function.Parameters.FirstOrDefault(parameter => string.Equals(parameter, written, StringComparison.OrdinalIgnoreCase))
            ?? throw Error(start, $"function '{function.Name}' has no parameter '{written}'; it has: {string.Join(", ", function.Parameters)}.");
    }

    private PromptBlock ReadValue(ref int at, int end)
    {
        int start = at;
        if (_text[at] == '$')
        {
            at++;
            while (at < end && IsNameCharacter(_text[at]))
                at++;
            if (at == start + 1 || (at < end && !IsBlank(_text[at])))
                throw Error(start, "a variable is '$' and a name of Latin letters, digits and underscores, followed by a blank or the end of the block.");
            return new PromptBlock.Variable(start, _text[(start + 1)..at]);
        }

        char quote = _text[at++];
        var value = new StringBuilder();
        while (at < end && _text[at] != quote)
        {
            if (_text[at] == '\\' && at + 1 < end && IsEscapable(_text[at + 1]))
                at++;
            value.Append(_text[at++]);
        }

        if (at >= end)
            throw Error(start, $"the literal that starts here has no closing {quote}.");
        at++;
        return new PromptBlock.Literal(start, value.ToString());
    }

    private int SkipBlanks(int at, int end)
    {
        while (at < end && IsBlank(_text[at]))
            at++;
        return at;
    }
}
