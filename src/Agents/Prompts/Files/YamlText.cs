using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using YamlDotNet.Core;
using YamlDotNet.Core.Events;

namespace Kotonoha.Agents.Prompts.Files;

/// <summary>Changes the text of a YAML or JSON mapping in one place and leaves the rest of it as it is.</summary>
internal static class YamlText
{
    private const string ExamplesKey = "examples";

    private static readonly JsonSerializerOptions Relaxed = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>The scalar at a path of keys and indexes, or null.</summary>
    public static TextPlace? Scalar(string text, string path, IReadOnlyList<object> keys)
    {
        if (Find(Start(text), keys, 0) is not { } scalar)
            return null;
        return new TextPlace(scalar.Value, value =>
        {
            var changed = Replace(text, scalar, value);
            if (Find(Start(changed), keys, 0)?.Value != value)
                throw new PromptFileException(PromptFileError.Syntax, path, (int)scalar.Start.Line,
                    "the text that begins here cannot be replaced in its YAML; write it as a block (|).");
            return changed;
        });
    }

    /// <summary>Writes <c>examples</c>, in place of those that are there.</summary>
    public static string SetExamples(string text, string path, IReadOnlyList<FewShotExample> examples)
    {
        var items = examples.Select(example => $"{{ \"input\": {Quoted(example.Input)}, \"output\": {Quoted(example.Output)} }}").ToList();
        var parser = Start(text);
        if (!parser.Accept<MappingStart>(out var root))
        {
            if (!string.IsNullOrWhiteSpace(text))
                throw new PromptFileException(PromptFileError.Syntax, path, 1, "the file must be a mapping of keys to values.");
            return Block(items);
        }

        parser.Consume<MappingStart>();
        bool isFlow = root.Style == MappingStyle.Flow;
        (int From, int To)? value = null;
        int? keyLine = null, nextLine = null;
        int count = 0;
        while (!parser.Accept<MappingEnd>(out _))
        {
            var key = parser.Consume<Scalar>();
            count++;
            if (keyLine is not null)
                nextLine ??= (int)key.Start.Line;
            int from = (int)parser.Current!.Start.Index;
            parser.SkipThisAndNestedEvents();
            if (key.Value != ExamplesKey)
                continue;
            keyLine = (int)key.Start.Line;
            value = (from, isFlow ? End(text, from) : 0);
        }

        if (isFlow)
        {
            var list = items.Count == 0 ? "[]" : $"[\n    {string.Join(",\n    ", items)}\n  ]";
            if (value is var (start, end))
                return $"{text[..start]}{list}{text[end..]}";
            int close = (int)parser.Consume<MappingEnd>().Start.Index;
            return $"{text[..close].TrimEnd()}{(count == 0 ? "" : ",")}\n  \"{ExamplesKey}\": {list}\n{text[close..]}";
        }

        var lines = text.Split('\n').ToList();
        if (lines[^1].Length == 0)
            lines.RemoveAt(lines.Count - 1);
        int first = (keyLine ?? lines.Count + 1) - 1, last = keyLine is null ? first : (nextLine ?? lines.Count + 1) - 1;

        // Blank lines and comments before the next key belong to that.
        while (last > first + 1 && (lines[last - 1].Length == 0 || lines[last - 1][0] == '#'))
            last--;
        return string.Concat(lines[..first].Select(line => line + "\n")) + Block(items)
            + string.Concat(lines[last..].Select(line => line + "\n"));
    }

    private static string Block(List<string> items) => items.Count == 0
        ? $"{ExamplesKey}: []\n"
        : $"{ExamplesKey}:\n{string.Concat(items.Select(item => $"  - {item}\n"))}";

    private static string Quoted(string text) => JsonSerializer.Serialize(text, Relaxed);

    private static Parser Start(string text)
    {
        // As in YamlNode: tabs between the tokens of JSON.
        var parser = new Parser(new StringReader(text.AsSpan().TrimStart() is ['{', ..] ? text.Replace('\t', ' ') : text));
        parser.Consume<StreamStart>();
        parser.TryConsume<DocumentStart>(out _);
        return parser;
    }

    private static Scalar? Find(Parser parser, IReadOnlyList<object> keys, int depth)
    {
        if (depth == keys.Count)
            return parser.TryConsume<Scalar>(out var scalar) ? scalar : null;
        if (keys[depth] is string name && parser.TryConsume<MappingStart>(out _))
        {
            while (!parser.Accept<MappingEnd>(out _))
            {
                var key = parser.Consume<Scalar>();
                if (key.Value == name)
                    return Find(parser, keys, depth + 1);
                parser.SkipThisAndNestedEvents();
            }
        }
        else if (keys[depth] is int index && parser.TryConsume<SequenceStart>(out _))
        {
            for (int i = 0; !parser.Accept<SequenceEnd>(out _); i++)
            {
                if (i == index)
                    return Find(parser, keys, depth + 1);
                parser.SkipThisAndNestedEvents();
            }
        }

        return null;
    }

    private static string Replace(string text, Scalar scalar, string value)
    {
        int start = (int)scalar.Start.Index;
        if (scalar.Style is not (ScalarStyle.Literal or ScalarStyle.Folded))
            return $"{text[..start]}{Quoted(value)}{text[(int)scalar.End.Index..]}";

        // The lines of the block: as far as they are indented like its first one.
        int at = text.IndexOf('\n', start) + 1, end = at, indent = 0;
        if (at == 0)
            at = end = text.Length;
        for (int line = at; line < text.Length;)
        {
            int next = text.IndexOf('\n', line) is var feed and >= 0 ? feed + 1 : text.Length;
            var content = text.AsSpan(line, next - line).TrimEnd('\n');
            if (!content.IsWhiteSpace())
            {
                int blanks = content.Length - content.TrimStart(' ').Length;
                if (indent == 0)
                    indent = blanks;
                if (blanks < indent || blanks == 0)
                    break;
                end = next;
            }

            line = next;
        }

        bool isPlain = indent > 0 && value.Length > 0 && value[0] is not (' ' or '\n') && !value.EndsWith("\n\n", StringComparison.Ordinal)
            && value.All(c => c == '\n' || !char.IsControl(c) && c is not ('\u2028' or '\u2029' or '\uFEFF'));
        if (!isPlain)
            return $"{text[..start]}{Quoted(value)}\n{text[end..]}";
        var block = new StringBuilder(value.EndsWith('\n') ? "|\n" : "|-\n");
        foreach (var line in value.TrimEnd('\n').Split('\n'))
            block.Append(' ', line.Length == 0 ? 0 : indent).Append(line).Append('\n');
        return $"{text[..start]}{block}{text[end..]}";
    }

    // The end of a value in flow style.
    private static int End(string text, int from)
    {
        var parser = Start(text);
        while (parser.MoveNext())
            if ((int)parser.Current!.Start.Index == from && parser.Current is not MappingEnd)
                break;
        int depth = 0;
        do
        {
            depth += parser.Current!.NestingIncrease;
            if (depth == 0)
                return (int)parser.Current.End.Index;
        }
        while (parser.MoveNext());

        return text.Length;
    }
}
