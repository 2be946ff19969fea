using System.Text;
using System.Text.Json;
using Microsoft.Extensions.AI;

namespace Kotonoha.Agents.Tools;

/// <summary>The tools of an agent: finds one by the name that a model wrote, and describes them to the model.</summary>
internal sealed class ToolBox
{
    private readonly List<AIFunctionDeclaration> _tools = [];

    /// <exception cref="ArgumentException">Two names differ in case and separators only, which models get wrong.</exception>
    internal ToolBox(IEnumerable<AIFunctionDeclaration> tools)
    {
        foreach (var tool in tools)
        {
            ArgumentNullException.ThrowIfNull(tool, nameof(tools));
            if (_tools.FirstOrDefault(other => Normalize(other.Name) == Normalize(tool.Name)) is { } same)
                throw new ArgumentException($"The tools '{same.Name}' and '{tool.Name}' cannot be told apart; rename one.", nameof(tools));
            _tools.Add(tool);
        }
    }

    internal IReadOnlyList<AIFunctionDeclaration> Tools => _tools;

    /// <summary>
    /// Finds the tool that a name means: exactly, apart from case and separators, or within two typing errors if that fits one tool only.
    /// </summary>
    internal AIFunctionDeclaration? Find(string name)
    {
        var normal = Normalize(name);
        if (normal.Length == 0)
            return null;
        if ((_tools.FirstOrDefault(tool => tool.Name == name) ?? _tools.FirstOrDefault(tool => Normalize(tool.Name) == normal)) is { } same)
            return same;
        // "search.find" for "find": models like to put a plugin's name before a function's, or to leave it out.
        var byEnd = _tools.Where(tool => EndsWith(name, Normalize(tool.Name)) || EndsWith(tool.Name, normal)).ToList();
        if (byEnd.Count == 1)
            return byEnd[0];
        var near =
            _tools.Where(tool => Normalize(tool.Name) is var other
                && Distance(normal, other) <= Math.Min(2, Math.Min(normal.Length, other.Length) / 4)).ToList();
        return near.Count == 1 ? near[0] : null;
    }

    /// <summary>One line per tool: name, description and the arguments with their types.</summary>
    internal string Describe()
    {
        var text = new StringBuilder();
        foreach (var tool in _tools)
        {
            if (text.Length > 0)
                text.Append('\n');
            text.Append("- ").Append(tool.Name);
            if (!string.IsNullOrWhiteSpace(tool.Description))
                text.Append(": ").Append(OneLine(tool.Description));
            var parameters = ToolSchema.Properties(tool);
            var required = ToolSchema.Required(tool);
            if (parameters.Count > 0)
                text.Append(" Arguments: {").AppendJoin(", ", parameters.Select(parameter => Describe(parameter, required))).Append('}');
        }

        return text.ToString();
    }

    private static string Describe(KeyValuePair<string, JsonElement> parameter, IReadOnlyList<string> required)
    {
        var (name, schema) = parameter;
        bool isObject = schema.ValueKind == JsonValueKind.Object;
        var type = isObject && schema.TryGetProperty("enum", out var options) ? $"one of {options.GetRawText()}"
            : ToolSchema.Types(schema) is { Count: > 0 } types ? string.Join(" or ", types) : "any value";
        var description = isObject && schema.TryGetProperty("description", out var text) && text.ValueKind == JsonValueKind.String
            ? $" ({OneLine(text.GetString()!)})"
            : "";
        return $"\"{name}\": {type}{(required.Contains(name) ? "" : ", optional")}{description}";
    }

    private static string OneLine(string text) => string.Join(' ', text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));

    private static string Normalize(string name) => string.Concat(name.Where(char.IsLetterOrDigit)).ToLowerInvariant();

    /// <summary>Whether what follows one of a name's separators is the given normal name.</summary>
    private static bool EndsWith(string name, string normal)
    {
        for (int i = 0; i < name.Length; i++)
            if (!char.IsLetterOrDigit(name[i]) && Normalize(name[(i + 1)..]) == normal)
                return true;
        return false;
    }

    /// <summary>Edits from one word to the other (Damerau and Levenshtein, optimal string alignment).</summary>
    private static int Distance(string a, string b)
    {
        var d = new int[a.Length + 1, b.Length + 1];
        for (int i = 0; i <= a.Length; i++)
            d[i, 0] = i;
        for (int j = 0; j <= b.Length; j++)
            d[0, j] = j;
        for (int i = 1; i <= a.Length; i++)
        {
            for (int j = 1; j <= b.Length; j++)
            {
                int change = a[i - 1] == b[j - 1] ? 0 : 1;
                d[i, j] = Math.Min(Math.Min(d[i - 1, j] + 1, d[i, j - 1] + 1), d[i - 1, j - 1] + change);
                if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                    d[i, j] = Math.Min(d[i, j], d[i - 2, j - 2] + 1);
            }
        }

        return d[a.Length, b.Length];
    }
}
