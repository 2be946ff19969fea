using System.Text.Json;
using System.Text.RegularExpressions;

namespace Kotonoha.Agents.Prompts.Files;

/// <summary>The reading of one prompt: opens its files, expands references to environment and files, and keeps the remarks.</summary>
/// <param name="path">The prompt's file or folder.</param>
/// <param name="options">What the file may use from outside.</param>
/// <param name="changed">Texts that stand for those of files, by full path; null for none.</param>
internal sealed partial class PromptFileReading(string path, PromptFileOptions options, IReadOnlyDictionary<string, string>? changed = null)
{
    private const int MaxFileBytes = 1 << 20;

    public PromptFileOptions Options => options;

    /// <summary>What the prompt is named by in messages.</summary>
    public string Path => path;

    /// <summary>The files that were read, with their texts, by full path.</summary>
    public OrderedDictionary<string, string> Files { get; } = new(StringComparer.Ordinal);

    /// <summary>What the prompt says that is not used.</summary>
    public List<string> Remarks { get; } = [];

    public bool Exists(string file) => changed?.ContainsKey(System.IO.Path.GetFullPath(file)) == true || File.Exists(file);

    /// <summary>The text of a file, without a byte order mark, with line feeds as line ends.</summary>
    public string Open(string file)
    {
        var full = System.IO.Path.GetFullPath(file);
        if (changed?.TryGetValue(full, out var other) == true)
            return Files[full] = other;
        try
        {
            if (new FileInfo(file).Length > MaxFileBytes)
                throw new PromptFileException(PromptFileError.File, file, null,
                    $"the file has more than {MaxFileBytes >> 20} MiB; a prompt is short.");
            return Files[full] = File.ReadAllText(file).ReplaceLineEndings("\n");
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new PromptFileException(PromptFileError.File, file, null,
                exception is FileNotFoundException or DirectoryNotFoundException
                    ? "there is no such file; check the path."
                    : $"the file cannot be read: {exception.Message}", exception);
        }
    }

    /// <summary>
    /// The scalar that is meant: <c>${env:NAME}</c>, <c>${env:NAME:default}</c> and <c>=Env.NAME</c> become the variable's value,
    /// <c>${file:NAME}</c> alone the content of a file beside the prompt.
    /// </summary>
    public YamlNode Expand(YamlNode node)
    {
        if (node.Scalar is not { } text || !text.Contains("${", StringComparison.Ordinal) && !text.StartsWith('='))
            return node;
        if (FileReference().Match(text) is { Success: true } file)
            return Included(node, file.Groups[1].Value.Trim());
        if (AgentReference().Match(text) is { Success: true } agent)
            return node.With(Variable(node, agent.Groups[1].Value, null));
        return node.With(EnvironmentReference().Replace(text,
            match => Variable(node, match.Groups[1].Value, match.Groups[2].Success ? match.Groups[2].Value : null)));
    }

    /// <summary>Whether a text, or a part of it, stands for another one, so that it cannot be written into a file as it is.</summary>
    public static bool IsReference(string text) => IsWholeReference(text) || EnvironmentReference().IsMatch(text);

    /// <summary>Whether a text is nothing but the name of a file or variable whose text is meant.</summary>
    public static bool IsWholeReference(string text) => FileReference().IsMatch(text) || AgentReference().IsMatch(text);

    public string Text(YamlNode node)
    {
        var meant = Expand(node);
        return meant.Scalar is { } text && !meant.IsNull
            ? text
            : throw node.Error(PromptFileError.Content, $"a text is expected here, not {node.Kind}.");
    }

    public JsonElement Json(YamlNode node) => node.ToJsonElement(Expand);

    /// <summary>The members of a mapping; what is not asked for is remarked on by <see cref="PromptFields.Done"/>.</summary>
    public PromptFields Fields(YamlNode node, string what)
        => node.Members is not null || node.IsNull
            ? new PromptFields(this, node)
            : throw node.Error(PromptFileError.Content, $"{what} must be a mapping of keys to values, not {node.Kind}.");

    private string Variable(YamlNode node, string name, string? standard)
    {
        if (!options.AllowedEnvironment.Contains(name))
            throw node.Error(PromptFileError.Environment,
                $"the environment variable '{name}' is not allowed; allow it (AllowedEnvironment, --allow-env {name}) if its value may "
                    + $"reach the "
                + "model, or write the value here.");
        return Environment.GetEnvironmentVariable(name) ?? standard
            ?? throw node.Error(PromptFileError.Environment,
                $"the environment variable '{name}' has no value; set it, or give a default: ${{env:{name}:default}}.");
    }

    private YamlNode Included(YamlNode node, string name)
    {
        var folder = System.IO.Path.GetDirectoryName(System.IO.Path.GetFullPath(node.Path))!;
        var file = System.IO.Path.GetFullPath(System.IO.Path.Combine(folder, name));
        bool isBeside = file.StartsWith(folder + System.IO.Path.DirectorySeparatorChar, StringComparison.Ordinal);
        for (var part = file; isBeside && part.Length > folder.Length; part = System.IO.Path.GetDirectoryName(part)!)
            isBeside = new FileInfo(part).LinkTarget is null;
        if (!isBeside)
            throw node.Error(PromptFileError.File,
                $"'{name}' lies outside of the prompt's folder, or is a link; put the file beside the prompt.");
        var text = Open(file);
        return System.IO.Path.GetExtension(file) is ".json" or ".yaml" or ".yml" ? YamlNode.Parse(text, file) : node.With(text);
    }

    [GeneratedRegex(@"^\$\{file:([^}]+)\}$")]
    private static partial Regex FileReference();

    [GeneratedRegex(@"\$\{env:([A-Za-z_][A-Za-z0-9_]*)(?::([^}]*))?\}", RegexOptions.IgnoreCase)]
    private static partial Regex EnvironmentReference();

    [GeneratedRegex(@"^=\s*Env\.([A-Za-z_][A-Za-z0-9_]*)\s*$")]
    private static partial Regex AgentReference();
}

/// <summary>The members of a mapping, and which of them were asked for.</summary>
internal sealed class PromptFields(PromptFileReading reading, YamlNode node)
{
    private readonly HashSet<string> _known = new(StringComparer.Ordinal);

    public YamlNode Node => node;

    public YamlNode? this[params string[] names]
    {
        get
        {
            YamlNode? found = null;
            foreach (var name in names)
            {
                _known.Add(name);
                found ??= node[name];
            }

            return found;
        }
    }

    public string? Text(params string[] names) => this[names] is { } value ? reading.Text(value) : null;

    public bool? Truth(params string[] names) => this[names] is { } value
        ? reading.Expand(value).ScalarJson()?.GetValueKind() switch
        {
            JsonValueKind.True => true,
            JsonValueKind.False => false,
            _ => throw value.Error(PromptFileError.Content, $"'{names[0]}' must be true or false, not {value.Kind}."),
        }
        : null;

    public PromptFields? Map(params string[] names) => this[names] is { } value ? reading.Fields(value, $"'{names[0]}'") : null;

    /// <summary>The items of a list; a single value counts as a list of one.</summary>
    public IReadOnlyList<YamlNode> List(params string[] names) => this[names] is { } value ? value.Items ?? [value] : [];

    /// <summary>Marks members that are understood and have no effect here.</summary>
    public void Ignore(params string[] names) => _known.UnionWith(names);

    /// <summary>Makes a member that was not asked for an error.</summary>
    public void Check()
    {
        if (node.Members?.Find(member => !_known.Contains(member.Key)) is { } unknown)
            throw new PromptFileException(PromptFileError.Content, node.Path, unknown.Line,
                $"the field '{unknown.Key}' is not known here; known are {string.Join(", ", _known.Order(StringComparer.Ordinal))}.");
    }

    /// <summary>Remarks on the members that were not asked for.</summary>
    public void Done(string? why = null)
    {
        foreach (var member in node.Members ?? [])
            if (!_known.Contains(member.Key))
                reading.Remarks.Add(
                    FormattableString.Invariant($"{node.Path}, line {member.Line}: '{member.Key}' is not used{why ?? "."}"));
    }
}
