namespace Kotonoha.Benchmarks;

/// <summary>Reads <c>--name value</c> pairs.</summary>
internal static class Arguments
{
    public static Dictionary<string, string> Parse(string[] args, params string[] known)
    {
        var options = new Dictionary<string, string>(StringComparer.Ordinal);
        for (int i = 0; i < args.Length; i += 2)
        {
            if (!args[i].StartsWith("--", StringComparison.Ordinal) || !known.Contains(args[i][2..]) || i + 1 == args.Length)
                throw new ArgumentException($"'{args[i]}' is not known or has no value; known are "
                    + $"{string.Join(", ", known.Select(name => "--" + name + " VALUE"))}.");
            options[args[i][2..]] = args[i + 1];
        }

        return options;
    }
}
