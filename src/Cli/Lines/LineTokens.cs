using Kotonoha.LocalModel.Tokenizers;

namespace Kotonoha.Cli.Lines;

/// <summary>The tokens that a line gives: as ids, or as a text. The text is the user's own, so control tokens spelt in it are control tokens unless the line says otherwise.</summary>
internal static class LineTokens
{
    public static int[]? Take(LineRequest request, string textField, Func<Tokenizer> tokenizer)
    {
        int[]? ids = request.Integers("ids");
        var text = request.Text(textField);
        bool? special = request.Boolean("add_special_tokens"), parse = request.Boolean("parse_special_tokens");
        if (ids is not null && text is not null)
            throw new LineException($"give '{textField}' or 'ids', not both");
        if (text is null && (special ?? parse) is not null)
            throw new LineException($"'add_special_tokens' and 'parse_special_tokens' belong to '{textField}'");
        return text is null ? ids : tokenizer().Encode(text, special ?? true, parse ?? true);
    }
}
