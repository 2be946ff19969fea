using System.Text.RegularExpressions;

namespace Kotonoha.Agents.Prompts.Files;

/// <summary>The texts of a prompt's files, and the two changes that can be made to them: its instruction and its worked examples.</summary>
/// <remarks>Everything else in the files, comments included, stays as its author wrote it.</remarks>
internal sealed partial class PromptFileEditor
{
    private readonly string _path;
    private readonly PromptFileFormat _format;

    // The file with the instruction, and that with the examples: the same but for a folder of Semantic Kernel.
    private readonly string _main, _settings;

    public PromptFileEditor(string path, PromptFileFormat format, IReadOnlyDictionary<string, string> texts)
    {
        (_path, _format, Texts) = (path, format, texts);
        _main = texts.Keys.First();
        _settings = format == PromptFileFormat.KernelFolder
            ? Path.Combine(Path.GetDirectoryName(_main)!, PromptFileReader.KernelConfigFile)
            : _main;
        Instruction = Place() is { } place && !PromptFileReading.IsWholeReference(place.Value) && Range(place.Value) is var (from, to)
            ? Decode(place.Value[from..to])
            : null;
    }

    /// <summary>All texts by full path, those of included files too.</summary>
    public IReadOnlyDictionary<string, string> Texts { get; }

    /// <summary>The files that are the prompt's own.</summary>
    public IEnumerable<string> OwnFiles => Texts.ContainsKey(_settings) && _settings != _main ? [_main, _settings] : [_main];

    public string? Instruction { get; }

    public PromptFileEditor WithInstruction(string instruction)
    {
        if (Instruction is null)
            throw new PromptFileException(PromptFileError.Content, _path, null,
                "the prompt has no instruction that could be replaced; give it a system message of its own.");
        var place = Place()!;
        var (from, to) = Range(place.Value)!.Value;
        return With(_main, place.Replace($"{place.Value[..from]}{Encode(instruction)}{place.Value[to..]}"));
    }

    public PromptFileEditor WithExamples(IReadOnlyList<FewShotExample> examples)
    {
        foreach (var example in examples)
            if (PromptFileReading.IsReference(example.Input) || PromptFileReading.IsReference(example.Output))
                throw new PromptFileException(PromptFileError.Content, _path, null,
                    $"the example '{example.Input}' would be read as a reference to a file or variable; leave it out.");
        switch (_format)
        {
            case PromptFileFormat.Skill:
                throw new PromptFileException(PromptFileError.Content, _path, null,
                    "a skill has no place for examples; write the prompt as YAML or .prompty.");
            case PromptFileFormat.Prompty:
                var (front, body) = FrontMatter(Texts[_main]);
                return With(_main, $"---\n{YamlText.SetExamples(front, _path, examples)}---\n{body}");
            default:
                return With(_settings, YamlText.SetExamples(Texts.GetValueOrDefault(_settings, "{}"), _settings, examples));
        }
    }

    private PromptFileEditor With(string file, string text)
        => new(_path, _format, new OrderedDictionary<string, string>(Texts, StringComparer.Ordinal) { [file] = text });

    // Where the instruction's template stands.
    private TextPlace? Place()
    {
        var text = Texts[_main];
        switch (_format)
        {
            case PromptFileFormat.Skill or PromptFileFormat.KernelFolder:
                return new TextPlace(text, changed => changed);
            case PromptFileFormat.Prompty:
                var (front, body) = FrontMatter(text);
                return new TextPlace(body, changed => front.Length == 0 ? changed : $"---\n{front}---\n{changed}");
            case PromptFileFormat.Agent:
                return YamlText.Scalar(text, _path, ["instructions"]);
            default:
                var root = YamlNode.Parse(text, _path);
                if (root["messages"] is not { Items: { } messages })
                    return YamlText.Scalar(text, _path, ["template"]);
                int at = messages.FindIndex(message => message["role"]?.Scalar is "system" or "developer");
                return at < 0 ? null : YamlText.Scalar(text, _path, ["messages", at, "content"]);
        }
    }

    // The part of the template that is the instruction.
    private (int From, int To)? Range(string template)
    {
        (int From, int To)? found = _format switch
        {
            PromptFileFormat.Agent => (0, template.Length),
            PromptFileFormat.Skill => (template.Length - FrontMatter(template).Body.Length, template.Length),
            PromptFileFormat.Prompty => PromptyRange(template),
            _ when YamlNode.Parse(_format == PromptFileFormat.KernelFolder ? "{}" : Texts[_main], _path)["messages"] is not null
                => (0, template.Length),
            _ => SystemTag().Match(template) is { Success: true } tag ? (tag.Groups[1].Index, tag.Groups[1].Index + tag.Groups[1].Length)
                : null,
        };
        if (found is not var (from, to))
            return null;
        while (from < to && char.IsWhiteSpace(template[from]))
            from++;
        while (to > from && char.IsWhiteSpace(template[to - 1]))
            to--;
        return (from, to);
    }

    // The text of the first message, if that is the system's: before any line with a role, or after a line "system:".
    private static (int From, int To)? PromptyRange(string template)
    {
        var roles = JinjaBody.RoleLine().Matches(template);
        if (roles.Count == 0 || !string.IsNullOrWhiteSpace(template[..roles[0].Index]))
            return (0, roles.Count == 0 ? template.Length : roles[0].Index);
        return roles[0].Groups[1].Value.ToLowerInvariant() is "system" or "developer"
            ? (roles[0].Index + roles[0].Length, roles.Count > 1 ? roles[1].Index : template.Length)
            : null;
    }

    private bool HasTags => _format is PromptFileFormat.KernelFolder or PromptFileFormat.KernelYaml
        && Place() is { } place && SystemTag().IsMatch(place.Value);

    // Between tags, texts are XML; expressions of the template language are not.
    private string Decode(string source) => !HasTags ? source : OutsideOfExpressions(source, System.Net.WebUtility.HtmlDecode);

    private string Encode(string source) => !HasTags ? source : OutsideOfExpressions(source, text => text
        .Replace("&", "&amp;", StringComparison.Ordinal).Replace("<", "&lt;", StringComparison.Ordinal)
        .Replace(">", "&gt;", StringComparison.Ordinal));

    private static string OutsideOfExpressions(string source, Func<string, string> change)
        => string.Concat(Expression().Split(source).Select((part, i) => i % 2 == 0 ? change(part) : part));

    private static (string Front, string Body) FrontMatter(string text)
    {
        int end = text.StartsWith("---\n---\n", StringComparison.Ordinal) ? 3
            : text.StartsWith("---\n", StringComparison.Ordinal) ? text.IndexOf("\n---\n", StringComparison.Ordinal) : -1;
        return end < 0 ? ("", text) : (text[4..(end + 1)], text[(end + "\n---\n".Length)..]);
    }

    [GeneratedRegex("""<message\s+role\s*=\s*["'](?:system|developer)["']\s*>(.*?)</message\s*>""",
        RegexOptions.IgnoreCase | RegexOptions.Singleline)]
    private static partial Regex SystemTag();

    [GeneratedRegex(@"(\{\{.*?\}\}|\{%.*?%\})", RegexOptions.Singleline)]
    private static partial Regex Expression();
}

/// <summary>A text inside of a file, and how the file reads with another text there.</summary>
internal sealed record TextPlace(string Value, Func<string, string> Replace);
