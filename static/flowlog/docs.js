"use strict";

// The page that describes the API, in Portuguese: Swagger UI has no other language than English.
{
    const WORDS = {
        "Apply credentials": "Usar o token",
        "Authorize": "Informar o token",
        "Authorized": "Token informado",
        "Available authorizations": "Token",
        "Available values": "Valores possíveis",
        "Cancel": "Cancelar",
        "Clear": "Limpar",
        "Close": "Fechar",
        "Code": "Código",
        "Collapse all": "Recolher tudo",
        "Collapse operation": "Recolher a operação",
        "Controls": "Escolhe o cabeçalho",
        "Copy to clipboard": "Copiar",
        "Copied": "Copiado",
        "Default value": "Valor padrão",
        "Description": "Descrição",
        "Details": "Detalhes",
        "Download": "Baixar",
        "Edit Value": "Alterar",
        "Error: Unauthorized": "Não autorizado",
        "Example Value": "Exemplo",
        "Examples": "Exemplos",
        "Examples:": "Exemplos:",
        "Execute": "Enviar",
        "Expand all": "Expandir tudo",
        "Expand operation": "Expandir a operação",
        "Failed to fetch.": "Não foi possível carregar.",
        "Headers:": "Cabeçalhos:",
        "Links": "Ligações",
        "Loading": "Carregando",
        "Loading...": "Carregando…",
        "Logout": "Esquecer o token",
        "Media type": "Formato",
        "Media Type": "Formato",
        "Name": "Nome",
        "No links": "Nenhuma",
        "No parameters": "Nenhum",
        "Parameters": "Parâmetros",
        "Remove authorization": "Esquecer o token",
        "Request URL": "Endereço",
        "Request body": "Corpo da requisição",
        "Request content type": "Formato da requisição",
        "Request duration": "Duração",
        "Reset": "Voltar ao exemplo",
        "Response body": "Corpo da resposta",
        "Response headers": "Cabeçalhos da resposta",
        "Responses": "Respostas",
        "Schema": "Esquema",
        "Schemas": "Esquemas",
        "Send empty value": "Enviar vazio",
        "Server response": "Resposta do servidor",
        "Try it out": "Experimentar",
        "Type": "Tipo",
        "Undocumented": "Não descrita",
        "Value:": "Valor:",
        "auth-bearer-value": "Token",
        "authorization button locked": "Token informado",
        "authorization button unlocked": "Token não informado",
        "header": "no cabeçalho",
        "header.": ".",
        "path": "no endereço",
        "query": "no endereço, depois de ?",
    };
    const PATTERNS = [[/^(.*) characters$/, "$1 caracteres"], [/^matches (.*)$/, "na forma $1"]];
    const ATTRIBUTES = ["aria-label", "placeholder", "title"];
    // What the API itself says stands as it is.
    const OURS = "pre, code, .opblock-summary-path, .parameter__name:not(h4), .property, .json-schema-2020-12__title";

    const translated = (text) => {
        const said = text.trim();
        const pattern = PATTERNS.find(([form]) => form.test(said));
        const words = Object.hasOwn(WORDS, said) ? WORDS[said] : pattern ? said.replace(...pattern) : said;
        return words === said ? text : text.replace(said, () => words);
    };

    const translate = (node) => {
        if (node.nodeType === Node.TEXT_NODE) {
            const words = translated(node.nodeValue);
            if (words !== node.nodeValue && !node.parentElement.closest(OURS)) {
                node.nodeValue = words;
            }
            return;
        }
        for (const name of ATTRIBUTES.filter((each) => node.hasAttribute?.(each))) {
            const words = translated(node.getAttribute(name));
            if (words !== node.getAttribute(name)) {
                node.setAttribute(name, words);
            }
        }
        node.childNodes.forEach(translate);
    };

    new MutationObserver((changes) => changes.forEach((change) => {
        change.addedNodes.forEach(translate);
        if (change.type !== "childList") {
            translate(change.target);
        }
    })).observe(document.getElementById("swagger-ui"), {
        childList: true, subtree: true, characterData: true, attributes: true, attributeFilter: ATTRIBUTES,
    });
}
