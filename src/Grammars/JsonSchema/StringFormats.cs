namespace Kotonoha.Grammars.JsonSchema;

/// <summary>
/// The formats of strings, as patterns of texts that satisfy them: not all such texts, but those that programs read. A time has no offset,
/// as .NET reads it.
/// </summary>
internal static class StringFormats
{
    private const string Date = "(19|20)[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])";
    private const string Time = "([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]";
    private const string Label = "[a-z][a-z0-9]{0,11}(-[a-z0-9]{1,8})?";
    private const string Host = Label + @"(\." + Label + @")?\.[a-z]{2,6}";
    private const string Byte = "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])";

    /// <summary>The pattern of a format; null where it is not known, and so no more than an annotation.</summary>
    public static string? PatternOf(string format) => format switch
    {
        "date" => $"^{Date}$",
        "time" => $"^{Time}$",
        "date-time" => $"^{Date}T{Time}Z$",
        "duration" => "^P([1-9][0-9]{0,3}D|([1-9][0-9]{0,3}D)?T([1-9][0-9]{0,3}H|[1-9][0-9]{0,3}M|[1-9][0-9]{0,3}S))$",
        "uuid" => "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$",
        "email" or "idn-email" => @"^[A-Za-z][A-Za-z0-9]{0,15}([._+-][A-Za-z0-9]{1,12})?@" + Host + "$",
        "hostname" or "idn-hostname" => $"^{Host}$",
        "ipv4" => $@"^{Byte}(\.{Byte}){{3}}$",
        "ipv6" => "^[0-9a-f]{1,4}(:[0-9a-f]{1,4}){7}$",
        "uri" or "iri" or "uri-reference" or "iri-reference" => $"^https?://{Host}(/[A-Za-z0-9._~-]{{0,60}}){{0,6}}$",
        "json-pointer" => "^(/[A-Za-z0-9_.-]{0,40}){0,8}$",
        _ => null,
    };
}
