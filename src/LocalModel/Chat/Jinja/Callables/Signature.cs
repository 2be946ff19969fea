namespace Kotonoha.LocalModel.Chat.Jinja;

/// <summary>The parameters of a built-in function, and how arguments find them.</summary>
internal sealed class Signature
{
    private readonly string name;
    private readonly string[] parameters;
    private readonly int required;
    private readonly bool takesMore;
    private readonly bool takesMoreNamed;
    private readonly bool positionalOnly;

    /// <param name="name">The function.</param>
    /// <param name="parameters">
    /// The parameters with blanks between them: <c>x</c> is required, <c>x=</c> is not, <c>*</c> takes the further arguments as one list, <c>**</c> the
    /// further named ones as pairs, and a <c>/</c> in front refuses names.
    /// </param>
    public Signature(string name, string parameters)
    {
        this.name = name;
        var words = parameters.Split(' ', StringSplitOptions.RemoveEmptyEntries).ToList();
        positionalOnly = words.Remove("/");
        takesMore = words.Remove("*");
        takesMoreNamed = words.Remove("**");
        required = words.Count(w => !w.EndsWith('='));
        this.parameters = [.. words.Select(w => w.TrimEnd('='))];
    }

    /// <summary>One value a parameter, null for those that were not given; then the further arguments.</summary>
    public object?[] Bind(Arguments arguments)
    {
        var values = new object?[parameters.Length + (takesMore ? 1 : 0) + (takesMoreNamed ? 1 : 0)];
        int given = arguments.Positional.Count;
        if (given > parameters.Length && !takesMore)
            throw Fail.Type($"{name}() takes at most {parameters.Length} argument(s) but {given} were given");
        for (int i = 0; i < Math.Min(given, parameters.Length); i++)
            values[i] = arguments.Positional[i];
        int next = parameters.Length;
        if (takesMore)
            values[next++] = new PyTuple([.. arguments.Positional.Skip(parameters.Length)]);
        List<(string, object)>? more = takesMoreNamed ? [] : null;
        foreach (var (key, value) in arguments.Named)
        {
            int place = positionalOnly ? -1 : Array.IndexOf(parameters, key);
            if (place < 0)
            {
                if (more is null)
                    throw Fail.Type($"{name}() got an unexpected keyword argument '{key}'");
                more.Add((key, value));
                continue;
            }

            if (values[place] is not null)
                throw Fail.Type($"{name}() got multiple values for argument '{key}'");
            values[place] = value;
        }

        if (more is not null)
            values[next] = more;
        for (int i = 0; i < required; i++)
            if (values[i] is null)
                throw Fail.Type($"{name}() missing required argument: '{parameters[i]}'");
        return values;
    }
}
