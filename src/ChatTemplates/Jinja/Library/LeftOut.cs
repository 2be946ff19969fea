namespace Kotonoha.ChatTemplates.Jinja;

/// <summary>
/// What Jinja2 and Python have and chat templates do not use: an error about such a name says that it is left out on purpose.
/// </summary>
internal static class LeftOut
{
    private const string Note = ": chat templates here do not have it";

    private static readonly HashSet<string> Filters = Names(
        "batch center filesizeformat forceescape pprint random slice striptags urlencode urlize wordcount xmlattr");

    private static readonly HashSet<string> Globals = Names("cycler lipsum self");

    private static readonly HashSet<string> Tags = Names("autoescape endautoescape");

    private static readonly HashSet<string> OfStrings = Names(
        "casefold center encode expandtabs format_map isascii isdecimal isidentifier isprintable istitle ljust maketrans rjust swapcase "
        + "translate zfill");

    private static readonly HashSet<string> OfNumbers = Names(
        "as_integer_ratio bit_count bit_length conjugate denominator from_bytes fromhex hex imag is_integer numerator real to_bytes");

    private static readonly HashSet<string> OfDict = Names("fromkeys");

    public static string NoteOnFilter(string name) => On(Filters, name);

    public static string NoteOnGlobal(string name) => On(Globals, name);

    public static string NoteOnTag(string name) => On(Tags, name);

    public static string NoteOnAttribute(object owner, string name) => owner switch
    {
        PyString => On(OfStrings, name),
        PyDict or Function { Name: "dict" } => On(OfDict, name),
        _ => Numbers.IsNumber(owner) ? On(OfNumbers, name) : "",
    };

    private static string On(HashSet<string> names, string name) => names.Contains(name) ? Note : "";

    private static HashSet<string> Names(string names) => [.. names.Split(' ')];
}
