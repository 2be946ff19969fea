using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;

namespace Kotonoha.Cli;

/// <summary>What is wrong with the options, in the words of the command line.</summary>
internal static class ParsingErrors
{
    /// <summary>Refuses any value that is not one of some.</summary>
    public static void AcceptOneOf<T>(this Option<T> option, params string[] values)
    {
        option.CompletionSources.Add(values);
        option.Validators.Add(result =>
        {
            foreach (var token in result.Tokens)
                if (!values.Contains(token.Value, StringComparer.Ordinal))
                    result.AddError($"{option.Name} '{token.Value}': one of {string.Join(", ", values)}");
        });
    }

    /// <summary>Says an error of the parser: what it calls a type is a number to a person.</summary>
    public static string Say(ParseError error)
    {
        var result = error.SymbolResult;
        if ((result as OptionResult ?? result?.Parent as OptionResult) is not { } option)
            return error.Message;
        var type = option.Option.ValueType.GetElementType() ?? option.Option.ValueType;
        var (wanted, parses) = Kind(Nullable.GetUnderlyingType(type) ?? type);
        return wanted is not null && option.Tokens.FirstOrDefault(token => !parses(token.Value)) is { } wrong
            ? $"{option.Option.Name} '{wrong.Value}': {wanted}" : error.Message;
    }

    private static (string? Wanted, Predicate<string> Parses) Kind(Type type)
        => type == typeof(int) ? ("a whole number", text => int.TryParse(text, CultureInfo.InvariantCulture, out _))
            : type == typeof(long) ? ("a whole number", text => long.TryParse(text, CultureInfo.InvariantCulture, out _))
            : type == typeof(double) || type == typeof(float)
                ? ("a number", text => double.TryParse(text, CultureInfo.InvariantCulture, out _))
            : (null, _ => true);
}
